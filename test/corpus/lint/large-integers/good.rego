package guard

default allow := false

allow if count(deny) == 0

# Decimal strings of one length compare like the numbers they write.
deny contains "whale" if count(sprintf("%v", [input.value])) > 18

deny contains "no value" if not input.value
