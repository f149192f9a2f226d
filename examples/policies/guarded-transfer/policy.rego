package guarded_transfer

import rego.v1

# Screens the recipient of a transfer: the address the data plugin was asked about must be the one
# the money goes to.

default allow := false

screened := data.wasm.sanctions

recipient := lower(input.decoded_function_arguments[0]) if input.function.name == "transfer"

recipient := lower(input.to) if input.function == null

amount := to_number(input.decoded_function_arguments[1]) if input.function.name == "transfer"

amount := to_number(input.value) if input.function == null

deny contains "the recipient is on a sanctions list" if screened.listed == true

deny contains "the recipient's risk score is too high" if screened.score > data.params.maxScore

deny contains "the screening is for another address" if screened.address != recipient

deny contains "the amount is over the limit" if amount > to_number(data.params.maxAmount)

allow if {
	screened.listed == false
	screened.score <= data.params.maxScore
	screened.address == recipient
	amount <= to_number(data.params.maxAmount)
	count(deny) == 0
}
