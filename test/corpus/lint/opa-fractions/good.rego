package guard

default allow := false

allow if count(deny) == 0

deny contains "the fee is off" if not exact

exact if {
	value := to_number(input.value)
	fee := value * 1000
	fee == data.params.fee_basis_points
}
