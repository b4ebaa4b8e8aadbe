.DEFAULT_GOAL := help
GO ?= go

.PHONY: help test soak lint deps bench ui
help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

deps: ## install what the tests need beside Go, if missing: Chromium, the packages that drive it, Redis
	dashboard/ui/test/install.sh
	internal/redistest/install.sh

test: deps ## run every test, after installing what they need
	$(GO) test -timeout 20m ./...

soak: deps ## run every test with SOAK times as many random cases (50 unless SOAK says otherwise: a million schedules of commits and crashes, 25,000 random jobs), faults SOAK_ROW each (5m); hours
	SOAK=$${SOAK:-50} SOAK_ROW=$${SOAK_ROW:-5m} $(GO) test -timeout 24h -count=1 ./...

bench: ## measure what an event costs, on a real broker, into docs/performance.md; and, for that page, two keys, delays, many keys, many rules, new rules, and how fast a task that takes over is warm
	$(GO) test ./bench -run TestReference -count=1 -v -timeout 3h -args -events 10000000 -rounds 3 -update
	$(GO) test ./bench -run TestTwoKeys -count=1 -v -timeout 1h -args -events 10000000 -rounds 3
	$(GO) test ./bench -run TestLatency -count=1 -v -timeout 1h -args -rate 20000 -paced 20s
	$(GO) test ./internal/engine -run '^$$' -bench Keys -benchtime 4000000x -timeout 1h
	$(GO) test ./internal/engine -run '^$$' -bench 'Rules|Reload' -benchtime 1s -timeout 1h
	$(GO) test ./internal/task -run '^$$' -bench TakeOver -benchtime 3x -timeout 1h -args -keys 10000000

ui: ## build the page that the binary embeds, from dashboard/ui/src
	dashboard/ui/test/install.sh packages
	cd dashboard/ui && NODE_ENV=production npm run build

lint: ## formatting, go vet, golangci-lint at the version in tools/go.mod
	@out=$$(gofmt -l .); if [ -n "$$out" ]; then echo "not formatted, run gofmt -w:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool -modfile=tools/go.mod golangci-lint run ./...
