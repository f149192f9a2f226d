# case: {"input": {"pair": [1, 2], "object": {"k": 3}}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"pair": [1, 2], "object": {"k": 4}}, "data": {}, "expect": {"kind": "undefined"}}
# case: {"input": {"pair": [1], "object": {"k": 3}}, "data": {}, "expect": {"kind": "undefined"}}
package corpus.un
allow if {
	[a, b] = input.pair
	{"k": c} = input.object
	a + b == c
}
