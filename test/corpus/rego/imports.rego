# case: {"input": {"to": "0x1"}, "data": {"params": {"enabled": true}, "wasm": {"screening": {"address": "0x1"}}}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"to": "0x2"}, "data": {"params": {"enabled": true}, "wasm": {"screening": {"address": "0x1"}}}, "expect": {"kind": "undefined"}}
package corpus.im

import data.params as p
import data.wasm.screening
import input.to
import rego.v1

allow if {
	screening.address == to
	p.enabled
}
