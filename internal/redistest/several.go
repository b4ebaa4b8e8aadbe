package redistest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// StartCluster starts a Redis Cluster of so many masters, three at least, without replicas.
func StartCluster(t testing.TB, nodes int, settings ...string) []*Server {
	t.Helper()
	servers := make([]*Server, nodes)
	create := []string{"--cluster", "create"}
	for i := range servers {
		servers[i] = start(t, func(s *Server) {
			s.args = append([]string{"--port", strconv.Itoa(s.port), "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(s.bus)}, settings...)
		})
		create = append(create, servers[i].Addr())
	}
	if out, err := exec.Command("redis-cli", append(create, "--cluster-yes")...).CombinedOutput(); err != nil {
		t.Fatalf("redistest: create the cluster: %v\n%s", err, out)
	}
	for _, s := range servers {
		s.Await("cluster_state:ok", "CLUSTER", "INFO")
	}
	return servers
}

// MasterName is how the Sentinel of StartSentinel calls the master.
const MasterName = "contexts"

// StartSentinel starts a master with one replica, and a Sentinel that puts the replica in the master's place within two seconds of its
// death.
func StartSentinel(t testing.TB, settings ...string) (master, replica, sentinel *Server) {
	t.Helper()
	master = Start(t, settings...)
	replica = Start(t, append([]string{"--replicaof", "127.0.0.1 " + strconv.Itoa(master.port)}, settings...)...)
	replica.Await("master_link_status:up", "INFO", "replication")
	sentinel = start(t, func(s *Server) {
		conf := filepath.Join(s.dir, "sentinel.conf") // Sentinel keeps its state in it
		text := fmt.Sprintf("port %d\nbind 127.0.0.1\ndir %s\nsentinel monitor %s 127.0.0.1 %d 1\nsentinel down-after-milliseconds %s 500\nsentinel failover-timeout %s 3000\n",
			s.port, s.dir, MasterName, master.port, MasterName, MasterName)
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatalf("redistest: %v", err)
		}
		s.args = []string{conf, "--sentinel"}
	})
	sentinel.Await(strconv.Itoa(replica.port), "SENTINEL", "REPLICAS", MasterName)
	return master, replica, sentinel
}

// StartTLS starts a server that speaks TLS only, and returns the file of the authority that vouches for it.
func StartTLS(t testing.TB, settings ...string) (s *Server, ca string) {
	t.Helper()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if err := certify(cert, key); err != nil {
		t.Fatalf("redistest: make a certificate: %v", err)
	}
	s = start(t, func(s *Server) {
		s.args = append([]string{"--port", "0", "--tls-port", strconv.Itoa(s.port), "--tls-cert-file", cert, "--tls-key-file", key,
			"--tls-ca-cert-file", cert, "--tls-auth-clients", "no"}, settings...)
		s.cli = []string{"--tls", "--cacert", cert}
	})
	return s, cert
}

// certify writes a certificate for 127.0.0.1 that vouches for itself.
func certify(certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redistest"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600)
}
