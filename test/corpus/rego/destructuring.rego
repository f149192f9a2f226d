# case: {"input": {"v": [1, {"b": [0, 1]}]}, "data": {}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"v": [1, {"b": [0, 2]}]}, "data": {}, "expect": {"kind": "undefined"}}
package corpus.de
allow if {
	[a, {"b": [_, c]}] := input.v
	a == c
}
