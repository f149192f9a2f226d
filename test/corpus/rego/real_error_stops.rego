# case: {"input": {"to": "0xa"}, "data": {"wasm": {"address": "0xA"}}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"to": "0xb"}, "data": {"wasm": {"address": "0xA"}}, "expect": {"kind": "defined", "allow": false, "reasons": []}}
# case: {"input": {"to": "0xa"}, "data": {"wasm": {"address": null}}, "expect": {"kind": "error", "code": "EVALUATION"}}
package guard.strict
default allow := true
allow := false if lower(data.wasm.address) != input.to
