# case: {"input": {"chain_id": 1}, "data": {"params": {"chain_id": 1, "max_gas_price": 50}, "wasm": {"gas_price": 20}}, "expect": {"kind": "defined", "allow": true, "reasons": []}}
# case: {"input": {"chain_id": 10}, "data": {"params": {"chain_id": 1, "max_gas_price": 50}, "wasm": {"gas_price": 90}}, "expect": {"kind": "defined", "allow": false, "reasons": ["gas is too expensive", "wrong chain"]}}
package guard.gas
default allow := false
allow if {
	input.chain_id == data.params.chain_id
	data.wasm.gas_price <= data.params.max_gas_price
}
deny contains "wrong chain" if input.chain_id != data.params.chain_id
deny contains "gas is too expensive" if data.wasm.gas_price > data.params.max_gas_price
