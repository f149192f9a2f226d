package guard

default allow := false

allow if {
	is_string(input.to)
	count(deny) == 0
}

deny contains "sanctioned" if not data.wasm.sanctioned == false

deny contains "screening failed" if data.wasm.error
