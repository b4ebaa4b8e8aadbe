// Package kafka is the Kafka side of the service, on IBM/sarama: reading partitions, membership in the consumer group, transactions,
// committed offsets and topics. It decides nothing: what to recover, where to begin and what to do about an error is its caller's.
package kafka
