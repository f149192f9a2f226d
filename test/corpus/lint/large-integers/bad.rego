package guard

default allow := false

allow if count(deny) == 0

deny contains "whale" if to_number(input.value) > 100000000000000000000

deny contains "not the price" if to_number(input.value) != data.params.price
