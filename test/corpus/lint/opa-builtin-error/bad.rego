package guard

default allow := false

allow if count(deny) == 0

deny contains "recipient was not screened" if not screened

deny contains "screening failed" if data.wasm.error

screened if {
	lower(data.wasm.address) == input.to
}
