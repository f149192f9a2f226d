# Lets a transfer through when the recipient is not risky and the amount is within the client's limit.
package transfer_guard

default allow := false

risk := data.wasm.sanctions

recipient := lower(input.to)

deny contains "the amount is over the client's limit" if input.value > data.params.maxAmount

deny contains sprintf("the recipient's risk score %d is over %d", [risk.score, data.params.maxScore]) if {
	risk.score > data.params.maxScore
}

deny contains "the risk score is for another address" if risk.address != recipient

# Every value that the decision rests on has to be there: a missing one denies.
allow if {
	is_number(risk.score)
	is_number(input.value)
	risk.address == recipient
	count(deny) == 0
}
