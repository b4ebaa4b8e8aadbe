package kafka

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

// Options say how to reach a cluster and how to behave towards it. Zero values are the defaults.
type Options struct {
	Brokers []string // host:port of some brokers; they name the others
	TLS     *TLS     // nil: no TLS
	SASL    *SASL    // nil: no login

	App          string // the consumer group and the first part of every transactional id
	StaticID     string // group.instance.id: a member that returns in time with its id keeps its partitions; empty: none
	AdminAddress string // where this process's admin page listens; told to the group in client.id; empty: not told

	FetchBytes  int           // most bytes of one partition in one response, as stored; default 1 MiB; a larger record still comes
	CreditBytes int           // bytes of one partition, decompressed, that are handed over and not yet released; default 4 MiB
	FetchWait   time.Duration // how long a broker holds a fetch that finds nothing; default 100ms
	FetchPace   time.Duration // least time between two fetches that find little: records gather meanwhile; default 1ms; negative: none

	TopicRefresh       time.Duration // how often a member looks for partitions that were added to its topics; default 30s
	SessionTimeout     time.Duration // a member silent for so long is out of the group; default 6s
	TransactionTimeout time.Duration // the broker aborts a transaction that is open for so long; default 10s
	RequestTimeout     time.Duration // how long to wait for a connection or a reply; default 8s, it must be below TransactionTimeout

	Compression string // of what is produced: none, gzip, snappy, lz4 or zstd; default lz4
	BatchBytes  int    // bytes of records in one batch for one partition, before compression; default 900 KiB; the topic's max.message.bytes must allow it
}

// TLS names files with certificates.
type TLS struct {
	CA         string // PEM of the authorities to trust; empty: the system's
	Cert, Key  string // PEM of our own certificate; empty: none
	ServerName string // the name that the brokers' certificates must have; empty: the host in the address
}

// SASL is a login.
type SASL struct {
	Mechanism string // PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER
	Username  string // printable ASCII
	Password  string // printable ASCII
	TokenFile string // for OAUTHBEARER: read again at every login, so a rotated token is used
}

// codecs are the names of compressions.
var codecs = map[string]sarama.CompressionCodec{
	"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
	"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
}

func withDefault[T comparable](value *T, def T) {
	var zero T
	if *value == zero {
		*value = def
	}
}

// complete fills in the defaults and reports what cannot work.
func (o Options) complete() (Options, error) {
	withDefault(&o.FetchBytes, 1<<20)
	withDefault(&o.CreditBytes, 4<<20)
	withDefault(&o.FetchWait, 100*time.Millisecond)
	withDefault(&o.FetchPace, time.Millisecond)
	withDefault(&o.TopicRefresh, 30*time.Second)
	withDefault(&o.SessionTimeout, 6*time.Second)
	withDefault(&o.TransactionTimeout, 10*time.Second)
	withDefault(&o.RequestTimeout, 8*time.Second)
	withDefault(&o.Compression, "lz4")
	withDefault(&o.BatchBytes, 900<<10)
	switch {
	case len(o.Brokers) == 0:
		return o, errors.New("no broker is named; set kafka.brokers to a list of host:port")
	case o.App == "":
		return o, errors.New("the application has no name; set app")
	case o.RequestTimeout >= o.TransactionTimeout:
		return o, fmt.Errorf("a request may take %v, but a transaction only %v; lower the former", o.RequestTimeout, o.TransactionTimeout)
	}
	if _, ok := codecs[o.Compression]; !ok {
		return o, fmt.Errorf("unknown compression %q; use none, gzip, snappy, lz4 or zstd", o.Compression)
	}
	return o, nil
}

// config is what all of our sarama clients have in common.
func (o Options) config() (*sarama.Config, error) {
	c := sarama.NewConfig()
	c.Version = sarama.MaxVersion // each request is lowered to what the broker knows
	c.ClientID = o.clientID()
	c.Net.DialTimeout = o.RequestTimeout
	c.Net.ReadTimeout = o.RequestTimeout
	c.Net.WriteTimeout = o.RequestTimeout
	c.Metadata.Full = false                   // only the topics that are asked for
	c.Metadata.AllowAutoTopicCreation = false // a misspelt topic must not spring into being
	c.Metadata.Retry.Max = 2                  // ours repeat, and look at their context
	c.Metadata.Retry.Backoff = 50 * time.Millisecond
	if err := setTLS(c, o.TLS); err != nil {
		return nil, err
	}
	if err := setSASL(c, o.SASL); err != nil {
		return nil, err
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return c, nil
}

// clientIDPrefix leads the admin address in a client.id.
const clientIDPrefix = "insolite@"

// clientID tells the group where a member's admin page is.
func (o Options) clientID() string {
	if o.AdminAddress == "" {
		return "insolite"
	}
	return clientIDPrefix + o.AdminAddress
}

// AdminAddress takes the admin address out of a member's client.id; ok is false when it tells none.
func AdminAddress(clientID string) (address string, ok bool) {
	return strings.CutPrefix(clientID, clientIDPrefix)
}

func setSASL(c *sarama.Config, s *SASL) error {
	if s == nil {
		return nil
	}
	c.Net.SASL.Enable = true
	c.Net.SASL.Version = sarama.SASLHandshakeV1
	c.Net.SASL.Mechanism = sarama.SASLMechanism(s.Mechanism)
	c.Net.SASL.User, c.Net.SASL.Password = s.Username, s.Password
	if s.Mechanism == sarama.SASLTypeOAuth {
		c.Net.SASL.TokenProvider = tokenFile(s.TokenFile)
		_, err := tokenFile(s.TokenFile).Token()
		return err
	}
	if s.Username == "" || s.Password == "" {
		return fmt.Errorf("%s needs a user name and a password; set kafka.sasl.username and kafka.sasl.password", s.Mechanism)
	}
	switch s.Mechanism {
	case sarama.SASLTypePlaintext:
		return nil
	case sarama.SASLTypeSCRAMSHA256, sarama.SASLTypeSCRAMSHA512:
		for _, text := range []string{s.Username, s.Password} {
			if !printableASCII(text) {
				return errors.New("a user name or password for SCRAM has characters outside printable ASCII, which are not supported; use others")
			}
		}
		sha512 := s.Mechanism == sarama.SASLTypeSCRAMSHA512
		c.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &scram{sha512: sha512} }
		return nil
	}
	return fmt.Errorf("unknown SASL mechanism %q; use PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER", s.Mechanism)
}

func printableASCII(s string) bool {
	return !slices.ContainsFunc([]byte(s), func(b byte) bool { return b < 0x20 || b > 0x7e })
}
