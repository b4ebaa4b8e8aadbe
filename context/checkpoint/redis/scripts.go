package redis

import (
	_ "embed"

	"github.com/redis/go-redis/v9"
)

// The scripts are the only way in which the store is changed or read. Each compares the fence first, and runs as one step of the server.
var (
	//go:embed scripts/fence.lua
	fenceText string
	//go:embed scripts/open.lua
	openText string
	//go:embed scripts/head.lua
	headText string
	//go:embed scripts/layout.lua
	layoutText string
	//go:embed scripts/note.lua
	noteText string
	//go:embed scripts/write.lua
	writeText string
	//go:embed scripts/flip.lua
	flipText string
	//go:embed scripts/forget.lua
	forgetText string
	//go:embed scripts/load.lua
	loadText string
	//go:embed scripts/scan.lua
	scanText string
	//go:embed scripts/due.lua
	dueText string
	//go:embed scripts/stale.lua
	staleText string
	//go:embed scripts/drop.lua
	dropText string
)

// What a script may do is told to the server in its first line. Those that free memory, or take next to none, run on a full server too.
const (
	deniedWhenFull  = "#!lua\n"
	allowedWhenFull = "#!lua flags=allow-oom\n"
	readsOnly       = "#!lua flags=no-writes\n"
)

var (
	openScript   = redis.NewScript(allowedWhenFull + openText)
	headScript   = redis.NewScript(readsOnly + fenceText + headText)
	layoutScript = redis.NewScript(deniedWhenFull + fenceText + layoutText)
	noteScript   = redis.NewScript(allowedWhenFull + fenceText + noteText)
	writeScript  = redis.NewScript(deniedWhenFull + fenceText + writeText)
	flipScript   = redis.NewScript(allowedWhenFull + fenceText + flipText)
	forgetScript = redis.NewScript(allowedWhenFull + fenceText + forgetText)
	loadScript   = redis.NewScript(readsOnly + fenceText + loadText)
	scanScript   = redis.NewScript(readsOnly + fenceText + scanText)
	dueScript    = redis.NewScript(readsOnly + fenceText + dueText)
	staleScript  = redis.NewScript(allowedWhenFull + fenceText + staleText)
	dropScript   = redis.NewScript(allowedWhenFull + fenceText + dropText)
)
