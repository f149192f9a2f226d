# case: {"input": {"xs": ["a", "owner"]}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"xs": ["owner", "a"]}, "data": {}, "expect": {"kind": "undefined"}}
package corpus.si
allow if {
	some i, x in input.xs
	i > 0
	x == "owner"
}
