package guard

default allow := false

allow if count(deny) == 0

deny contains "more than a score" if object.remove(data.wasm, ["score"]) != {}

deny contains "to nobody" if not is_string(input.to)
