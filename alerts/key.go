package alerts

// AppendKey appends the key of an alert's record, which names the entity: the text of a single field, or of several a JSON object. Give the
// fields in an order that does not depend on the rule (their names', say), so that all alerts about one entity go to one partition.
func AppendKey(dst []byte, key []Named) []byte {
	if len(key) == 1 {
		return key[0].Value.AppendText(dst)
	}
	return appendObject(dst, key)
}
