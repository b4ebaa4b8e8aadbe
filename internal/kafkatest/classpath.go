package kafkatest

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

//go:embed pom.xml
var pom []byte

// resolveTimeout bounds the first resolution, which may download some 43 MB.
const resolveTimeout = 5 * time.Minute

// classPath is the broker's class path, resolved at most once in a process.
var classPath = sync.OnceValues(resolveClassPath)

// resolveClassPath takes the class path from the user's cache, or has Maven resolve it and puts it there. The name in the cache
// holds the hash of the pom, so another Kafka version never meets an old class path.
func resolveClassPath() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	cache = filepath.Join(cache, "insolite")
	sum := sha256.Sum256(pom)
	file := filepath.Join(cache, "kafkatest-"+hex.EncodeToString(sum[:8])+".cp")
	if cp, ok := readClassPath(file); ok {
		return cp, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	// A directory beside the result: the rename is atomic, so test binaries that run at once do not meet half a file.
	tmp, err := os.MkdirTemp(cache, "kafkatest-*")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(tmp) }()
	pomFile, out := filepath.Join(tmp, "pom.xml"), filepath.Join(tmp, "cp")
	if err := os.WriteFile(pomFile, pom, 0o600); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), resolveTimeout)
	defer cancel()
	mvn := exec.CommandContext(ctx, "mvn", "-B", "-q", "-f", pomFile, "dependency:build-classpath", "-Dmdep.outputFile="+out)
	if msg, err := mvn.CombinedOutput(); err != nil {
		return "", fmt.Errorf("mvn: %w\n%s", err, tail(msg))
	}
	cp, ok := readClassPath(out)
	if !ok {
		return "", fmt.Errorf("mvn wrote no usable class path to %s", out)
	}
	return cp, os.Rename(out, file)
}

// readClassPath reads the class path in file; ok tells that it is there and that every jar of it still exists.
func readClassPath(file string) (cp string, ok bool) {
	b, err := os.ReadFile(file)
	if err != nil {
		return "", false
	}
	cp = strings.TrimSpace(string(b))
	for jar := range strings.SplitSeq(cp, string(os.PathListSeparator)) {
		if _, err := os.Stat(jar); err != nil {
			return "", false
		}
	}
	return cp, true
}
