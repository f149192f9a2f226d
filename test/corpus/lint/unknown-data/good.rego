package guard

default allow := false

allow if count(deny) == 0

deny contains "not the owner" if not owner

owner if input.from == data.params.owner
