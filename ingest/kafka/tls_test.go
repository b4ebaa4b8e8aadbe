package kafka

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

func TestTLS(t *testing.T) {
	t.Parallel()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"kafka.test"}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der := must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	ok(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	cluster := fake(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}))
	c := dial(t, cluster.ListenAddrs(), func(o *Options) { o.TLS = &TLS{CA: ca, ServerName: "kafka.test"} })
	produce(t, c, "in", 0, 3)
	for name, conf := range map[string]*TLS{"unknown authority": {ServerName: "kafka.test"}, "another name": {CA: ca, ServerName: "other.test"}, "no TLS": nil} {
		_, err := Dial(testContext(t), Options{Brokers: cluster.ListenAddrs(), App: "app", TLS: conf})
		if err == nil || !strings.Contains(err.Error(), "kafka.tls") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
