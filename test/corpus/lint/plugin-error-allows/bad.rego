package guard

default allow := false

allow if {
	is_string(input.to)
	not data.wasm.sanctioned == true
	count(deny) == 0
}

deny contains "sanctioned" if data.wasm.sanctioned == true
