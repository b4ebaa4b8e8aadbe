package decode

// node is a declared path, or the start of one, in the tree of all paths of a topic's sources.
type node struct {
	key      string
	id       int32   // index in tree.nodes and in the scanner's values; its subtree is id … end-1
	end      int32   //
	children []*node //
	byKey    map[string]*node
	next     int // the child that probably comes next: keys come in the producer's order
}

// pathTree is all declared paths of a topic.
type pathTree struct {
	root  *node
	nodes []*node
}

// newPathTree returns a tree of the given paths. Nodes are numbered so that every subtree is a range.
func newPathTree(paths [][]string) *pathTree {
	t := &pathTree{root: &node{}}
	for _, path := range paths {
		n := t.root
		for _, key := range path {
			c := n.byKey[key]
			if c == nil {
				c = &node{key: key}
				if n.byKey == nil {
					n.byKey = map[string]*node{}
				}
				n.byKey[key] = c
				n.children = append(n.children, c)
			}
			n = c
		}
	}
	t.number(t.root)
	return t
}

func (t *pathTree) number(n *node) {
	n.id = int32(len(t.nodes))
	t.nodes = append(t.nodes, n)
	for _, c := range n.children {
		t.number(c)
	}
	n.end = int32(len(t.nodes))
}

// id returns the number of a path that the tree was made with.
func (t *pathTree) id(path []string) int32 {
	n := t.root
	for _, key := range path {
		n = n.byKey[key]
	}
	return n.id
}

// child returns the node below n for a key, nil when no declared path goes there.
func (n *node) child(key []byte) *node {
	if n.next < len(n.children) {
		if c := n.children[n.next]; c.key == string(key) {
			n.next++
			return c
		}
	}
	c := n.byKey[string(key)]
	if c == nil {
		return nil
	}
	for i := range n.children {
		if n.children[i] == c {
			n.next = i + 1
		}
	}
	return c
}
