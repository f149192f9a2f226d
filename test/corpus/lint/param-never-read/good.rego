package guard

default allow := false

allow if count(deny) == 0

deny contains "the value is too high" if not within

within if to_number(input.value) <= data.params.max_value

deny contains "the score is too low" if not scored

scored if data.wasm.score >= data.params.min_score

deny contains "no score" if data.wasm.error
