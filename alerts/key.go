package alerts

// AppendKey appends the key of an alert's record, which names the entity: the text of a single field, or of several a JSON object. Give the
// fields in an order that does not depend on the rule (their names', say), so that all alerts about one entity go to one partition. It has
// at most KeyMax bytes.
func AppendKey(dst []byte, key []Named) []byte {
	from := len(dst)
	if len(key) == 1 {
		dst = key[0].Value.AppendText(dst)
	} else {
		dst = appendObject(dst, key)
	}
	return dst[:min(len(dst), from+KeyMax)]
}
