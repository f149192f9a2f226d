# case: {"input": {"to": "0xaa"}, "data": {"params": {"max_score": 5}, "wasm": {"screening": {"sanctioned": false, "address": "0xAA", "categories": [{"name": "mixer", "score": 2}]}}}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"to": "0xaa"}, "data": {"params": {"max_score": 5}, "wasm": {"screening": {"sanctioned": true, "address": "0xBB", "categories": [{"name": "mixer", "score": 9}]}}}, "expect": {"kind": "defined", "allow": false, "reasons": ["another address was screened", "category mixer", "sanctioned address"]}}
# case: {"input": {"to": "0xaa"}, "data": {"params": {}, "wasm": {}}, "expect": {"kind": "defined", "allow": false, "reasons": ["no screening"]}}
package guard.sanctions
default allow := false
v := data.wasm.screening
allow if {
	count(deny) == 0
	v.sanctioned == false
}
deny contains "screening failed" if v.error
deny contains "no screening" if not is_boolean(v.sanctioned)
deny contains "sanctioned address" if v.sanctioned
deny contains "another address was screened" if {
	is_string(v.address)
	lower(v.address) != input.to
}
deny contains sprintf("category %s", [c.name]) if {
	some c in v.categories
	c.score > data.params.max_score
}
