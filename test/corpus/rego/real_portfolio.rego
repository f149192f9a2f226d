# case: {"input": {}, "data": {"params": {"max_weight": 6000}, "wasm": {"holdings": {"eth": 50, "btc": 50}}}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {}, "data": {"params": {"max_weight": 6000}, "wasm": {"holdings": {"eth": 75, "btc": 25}}}, "expect": {"kind": "defined", "allow": false, "reasons": ["eth is 7500 of 10000"]}}
package guard.portfolio
default allow := false
weights := {asset: weight |
	some asset, units in data.wasm.holdings
	weight := floor((units * 10000) / total)
}
total := sum([units | some units in data.wasm.holdings])
allow if {
	total > 0
	count(deny) == 0
}
deny contains sprintf("%s is %d of 10000", [asset, weight]) if {
	some asset, weight in weights
	weight > data.params.max_weight
}
