package dashboard

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"mime"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"insolite/dashboard/ui"
)

// policy lets the page load its own files and talk to its own server, and nothing else. Trusted types make the browser refuse text that
// would become markup: alerts carry what strangers wrote.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; " +
	"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// handler routes every request. A page's path is answered with the one page, which reads the path itself.
func (s *Server) handler() (http.Handler, error) {
	gin.SetMode(gin.ReleaseMode) // debug mode writes on stdout, which is for data
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	if err := e.SetTrustedProxies(nil); err != nil {
		return nil, err
	}
	e.Use(s.recovered, s.guard)
	get := func(route string, h gin.HandlerFunc) {
		e.GET(route, h)
		e.HEAD(route, h)
	}
	files, err := readAssets(ui.Files())
	if err != nil {
		return nil, err
	}
	for _, route := range []string{"/", "/alerts/:id", "/pipeline"} {
		get(route, serve(files["index.html"], http.StatusOK))
	}
	for name, file := range files {
		if path.Ext(name) != ".html" {
			get("/assets/"+name, serve(file, http.StatusOK))
		}
	}
	get("/api/v1/alerts", s.listAlerts)
	get("/api/v1/alerts/:id", s.oneAlert)
	get("/api/v1/status", s.status)
	e.GET("/api/v1/stream", s.stream)
	notFound := serve(files["404.html"], http.StatusNotFound)
	e.NoRoute(func(c *gin.Context) {
		if isAPI(c) {
			refuse(c, http.StatusNotFound, "no_such_path", "the API has no such path", "see /api/v1/alerts, /api/v1/alerts/ID, /api/v1/status, /api/v1/stream")
			return
		}
		notFound(c)
	})
	e.NoMethod(func(c *gin.Context) {
		refuse(c, http.StatusMethodNotAllowed, "method_not_allowed", "the dashboard only shows", "use GET")
	})
	return e, nil
}

func isAPI(c *gin.Context) bool { return strings.HasPrefix(c.Request.URL.Path, "/api/") }

// guard sets what every answer carries and turns away foreign hosts.
func (s *Server) guard(c *gin.Context) {
	for name, value := range map[string]string{
		"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
		"Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin", "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
		"Cache-Control": "no-store",
	} {
		c.Header(name, value)
	}
	if host := hostName(c.Request.Host); s.local && !isLoopback(host) && !slices.Contains(s.opts.Hosts, host) {
		refuse(c, http.StatusMisdirectedRequest, "foreign_host", fmt.Sprintf("this server listens on loopback and is asked for as %q", host),
			"open it as localhost or 127.0.0.1, or add the name to the dashboard's hosts")
		return
	}
	// A stream sets its own before each write. Without a connection below, as in tests of the handler alone, there is no deadline to set.
	_ = http.NewResponseController(c.Writer).SetWriteDeadline(time.Now().Add(answerWithin))
}

func hostName(hostPort string) string {
	if host, _, err := net.SplitHostPort(hostPort); err == nil {
		return host
	}
	return strings.Trim(hostPort, "[]")
}

// recovered keeps one request's bug from ending the process, and says it.
func (s *Server) recovered(c *gin.Context) {
	defer func() {
		if cause := recover(); cause != nil {
			s.opts.Log.Error("dashboard failed to answer", "path", c.Request.URL.Path, "cause", cause)
			refuse(c, http.StatusInternalServerError, "internal", "the server failed to answer", "see its log, and report it")
		}
	}()
	c.Next()
}

// asset is an embedded file as it is served.
type asset struct {
	body []byte
	kind string
	etag string
}

func readAssets(files fs.FS) (map[string]asset, error) {
	names, err := fs.Glob(files, "*")
	if err != nil {
		return nil, err
	}
	assets := map[string]asset{}
	for _, name := range names {
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, fmt.Errorf("read embedded %s: %w", name, err)
		}
		kinds := map[string]string{".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".md": "text/markdown"}
		kind, known := kinds[path.Ext(name)]
		if !known {
			return nil, fmt.Errorf("embedded %s: no media type for its extension", name)
		}
		sum := sha256.Sum256(body)
		assets[name] = asset{body, mime.FormatMediaType(kind, map[string]string{"charset": "utf-8"}), `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
	}
	return assets, nil
}

// serve answers with a file. Names are stable, so the browser asks each time whether it changed.
func serve(a asset, status int) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Header("Cache-Control", "no-cache")
		c.Header("ETag", a.etag)
		if status == http.StatusOK && c.GetHeader("If-None-Match") == a.etag {
			c.Status(http.StatusNotModified)
			return
		}
		c.Data(status, a.kind, a.body)
	}
}
