package guard

default allow := false

allow if count(deny) == 0

deny contains "sanctioned" if data.wasm.sanctioned == true

deny contains "no address" if not is_string(data.wasm.address)

deny contains "address mismatch" if lower(data.wasm.address) != lower(input.to)

deny contains message if {
	some category in data.wasm.categories
	category.score > data.params.max_score
	message := sprintf("category %s scores %d", [category.name, category.score])
}

deny contains "value too high" if to_number(input.value) > data.params.max_value

deny contains "function" if not input.function.name in data.params.functions

deny contains "recipient" if not lower(input.decoded_function_arguments[0]) in data.params.recipients
