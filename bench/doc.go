// Package bench measures what an event of the reference job costs the service and others, on a real broker.
//
// `make bench` writes the job's payments once, to a topic of four partitions, and has each contender consume them, as a process of its own,
// several rounds in turn. A contender's processor time is taken between a warm-up mark and the last event, by getrusage. Every contender
// with rules must give the same alerts, by a checksum over rule, partition and offset, and they must be those of a backtest. What is
// printed are medians, and their ratios beside the limits; docs/performance.md keeps them.
//
// All of it is in the tests of this package, because only they can start a broker:
//
//	go test ./bench -run TestReference -v -timeout 2h -args -events 4000000 -rounds 5 -keys 1000000 -update
//
// Without arguments it is a test of correctness: few events, one round, nothing about time.
package bench
