# case: {"input": {"value": 2}, "data": {"params": {"max_usd": 10}, "wasm": {"screening": {"ok": true}, "prices": {"ok": true, "usd": 3}}}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"value": 4}, "data": {"params": {"max_usd": 10}, "wasm": {"screening": {"ok": false}, "prices": {"ok": true, "usd": 3}}}, "expect": {"kind": "defined", "allow": false, "reasons": ["screening has no answer", "value too high"]}}
package guard.composite
default allow := false
modules := {"screening", "prices"}
missing := {m | some m in modules; not data.wasm[m].ok}
allow if count(deny) == 0
deny contains sprintf("%s has no answer", [m]) if some m in missing
deny contains "value too high" if {
	not "prices" in missing
	to_number(input.value) * data.wasm.prices.usd > data.params.max_usd
}
