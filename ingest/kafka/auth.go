package kafka

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"os"
	"strconv"
	"strings"

	"github.com/IBM/sarama"
)

func setTLS(c *sarama.Config, t *TLS) error {
	if t == nil {
		return nil
	}
	conf := &tls.Config{ServerName: t.ServerName, MinVersion: tls.VersionTLS12}
	if t.CA != "" {
		pem, err := os.ReadFile(t.CA)
		if err != nil {
			return fmt.Errorf("read kafka.tls.ca: %w", err)
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("kafka.tls.ca: %s has no certificate; it must be PEM", t.CA)
		}
	}
	if t.Cert != "" || t.Key != "" {
		pair, err := tls.LoadX509KeyPair(t.Cert, t.Key)
		if err != nil {
			return fmt.Errorf("read kafka.tls.cert and kafka.tls.key: %w", err)
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	c.Net.TLS.Enable, c.Net.TLS.Config = true, conf
	return nil
}

// tokenFile is the path of a file with a bearer token.
type tokenFile string

// Token implements [sarama.AccessTokenProvider].
func (f tokenFile) Token() (*sarama.AccessToken, error) {
	b, err := os.ReadFile(string(f))
	if err != nil {
		return nil, fmt.Errorf("read kafka.sasl.token_file: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if token == "" {
		return nil, fmt.Errorf("kafka.sasl.token_file: %s is empty", string(f))
	}
	return &sarama.AccessToken{Token: token}, nil
}

// scram is the client's side of SCRAM (RFC 5802, RFC 7677) without channel binding. Names and passwords are printable ASCII, for which
// SASLprep is the identity.
type scram struct {
	sha512                     bool
	user, password, nonce      string
	firstBare, serverSignature string
	step                       int
}

// scramIterationsMax bounds the work that a server can ask for: a hundred times what Kafka does.
const scramIterationsMax = 1 << 20

// Begin implements [sarama.SCRAMClient].
func (s *scram) Begin(user, password, _ string) error {
	s.user = strings.NewReplacer("=", "=3D", ",", "=2C").Replace(user)
	s.password, s.nonce = password, rand.Text()
	return nil
}

// Done implements [sarama.SCRAMClient].
func (s *scram) Done() bool { return s.step == 3 }

// Step implements [sarama.SCRAMClient].
func (s *scram) Step(challenge string) (string, error) {
	s.step++
	switch s.step {
	case 1:
		s.firstBare = "n=" + s.user + ",r=" + s.nonce
		return "n,," + s.firstBare, nil
	case 2:
		return s.proof(challenge)
	case 3:
		if challenge != "v="+s.serverSignature {
			return "", errors.New("the broker did not prove that it knows the password")
		}
		return "", nil
	}
	return "", errors.New("SCRAM: the broker sent more than the exchange has")
}

// proof answers the server's first message, r=nonce,s=salt,i=iterations.
func (s *scram) proof(challenge string) (string, error) {
	fields := map[string]string{}
	for part := range strings.SplitSeq(challenge, ",") {
		name, value, _ := strings.Cut(part, "=")
		fields[name] = value
	}
	salt, err := base64.StdEncoding.DecodeString(fields["s"])
	iterations, err2 := strconv.Atoi(fields["i"])
	if err != nil || err2 != nil || iterations < 1 || iterations > scramIterationsMax || !strings.HasPrefix(fields["r"], s.nonce) {
		return "", errors.New("SCRAM: the broker's challenge is not valid")
	}
	newHash := sha256.New
	if s.sha512 {
		newHash = sha512.New
	}
	salted, err := pbkdf2.Key(newHash, s.password, salt, iterations, newHash().Size())
	if err != nil {
		return "", err
	}
	final := "c=biws,r=" + fields["r"]
	auth := s.firstBare + "," + challenge + "," + final
	clientKey := mac(newHash, salted, "Client Key")
	stored := newHash()
	stored.Write(clientKey)
	proof := mac(newHash, stored.Sum(nil), auth)
	for i := range proof {
		proof[i] ^= clientKey[i]
	}
	s.serverSignature = base64.StdEncoding.EncodeToString(mac(newHash, mac(newHash, salted, "Server Key"), auth))
	return final + ",p=" + base64.StdEncoding.EncodeToString(proof), nil
}

func mac(newHash func() hash.Hash, key []byte, text string) []byte {
	h := hmac.New(newHash, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
