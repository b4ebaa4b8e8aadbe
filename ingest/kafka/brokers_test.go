package kafka

import (
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

func TestReleases(t *testing.T) {
	t.Parallel()
	for want, v := range map[string][2]int16{"": {0, 3}, "0.11": {0, 4}, "1.0": {0, 6}, "2.1": {0, 10}, "2.7": {0, 12}, "3.5": {0, 15}, "3.9": {0, 17}, "4.0": {4, 17}, "4.1": {4, 30}} {
		if got := release(v[0], v[1]); got != want {
			t.Errorf("fetch %v is Kafka %q, want %q", v, got, want)
		}
	}
}

// franz-go's lists of what each release speaks are the truth.
func TestBrokersTellTheirReleases(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]*kversion.Versions{"2.3": kversion.V2_4_0(), "2.7": kversion.V2_8_0(), "3.5": kversion.V3_6_0(), "3.7": kversion.V3_8_0()} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			c := dial(t, fake(t, kfake.MaxVersions(v)).ListenAddrs())
			all := must(c.Brokers(testContext(t)))(t)
			if len(all) != 1 || all[0].Err != nil || all[0].Release != want || all[0].Fences != (want != "2.3") {
				t.Errorf("%+v", all)
			}
		})
	}
}

// A broker that gives itself an address at which nobody is, is told.
func TestBrokerThatIsAway(t *testing.T) {
	t.Parallel()
	cluster := fake(t, kfake.NumBrokers(2))
	c := dial(t, cluster.ListenAddrs()[:1])
	gone := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	ok(t, gone.Close())
	cluster.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		cluster.KeepControl()
		r := req.ResponseKind().(*kmsg.MetadataResponse)
		for i, addr := range []string{cluster.ListenAddrs()[0], gone.Addr().String()} {
			b := kmsg.NewMetadataResponseBroker()
			b.NodeID = int32(i)
			host, port, _ := net.SplitHostPort(addr)
			b.Host = host
			_, err := fmt.Sscan(port, &b.Port)
			r.Brokers = append(r.Brokers, b)
			if err != nil {
				return nil, err, true
			}
		}
		return r, nil, true
	})
	all := must(c.Brokers(testContext(t)))(t)
	if len(all) != 2 || all[0].Err != nil || all[1].Err == nil || all[1].Address != gone.Addr().String() {
		t.Errorf("%+v", all)
	}
}

func TestAllowed(t *testing.T) {
	t.Parallel()
	grant := func(kind kmsg.ACLResourceType, name string, op kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{Resource: kind, Name: name, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: op, Allow: true}
	}
	cluster := fake(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.User("PLAIN", "u", "p",
		grant(kmsg.ACLResourceTypeTopic, "in", kmsg.ACLOperationRead), grant(kmsg.ACLResourceTypeTopic, "in", kmsg.ACLOperationDescribeConfigs),
		grant(kmsg.ACLResourceTypeGroup, "app", kmsg.ACLOperationRead)))
	c := dial(t, cluster.ListenAddrs(), func(o *Options) { o.SASL = &SASL{Mechanism: "PLAIN", Username: "u", Password: "p"} })
	for _, x := range []struct {
		kind Resource
		name string
		told bool
		ops  []string
	}{
		{TopicResource, "in", true, []string{"Describe", "DescribeConfigs", "Read"}},
		{TopicResource, "out", true, nil},
		{ClusterResource, "", false, nil},
	} {
		ops, told, err := c.Allowed(testContext(t), x.kind, x.name)
		if err != nil || told != x.told || !slices.Equal(ops, x.ops) {
			t.Errorf("%s %s: %v %v %v", x.kind, x.name, ops, told, err)
		}
	}
}

func TestRetention(t *testing.T) {
	t.Parallel()
	c := dial(t, fake(t).ListenAddrs())
	for name, x := range map[string]struct {
		config map[string]string
		age    time.Duration
		bytes  int64
		keeps  bool
	}{
		"week":    {map[string]string{"retention.ms": "604800000"}, 7 * 24 * time.Hour, -1, false},
		"forever": {map[string]string{"retention.ms": "-1"}, -1, -1, true},
		"size":    {map[string]string{"retention.ms": "-1", "retention.bytes": "1000"}, -1, 1000, false},
		"compact": {map[string]string{"cleanup.policy": "compact", "retention.ms": "1000"}, -1, -1, false},
		"both":    {map[string]string{"cleanup.policy": "compact,delete", "retention.ms": "1000"}, time.Second, -1, false},
		"huge":    {map[string]string{"retention.ms": "9223372036854775807"}, -1, -1, true},
	} {
		newTopic(t, c, name, 1, x.config)
		got := must(c.DescribeTopic(testContext(t), name))(t)
		if got.Retention != x.age || got.RetentionBytes != x.bytes || got.Keeps != x.keeps {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
