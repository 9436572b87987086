"""All that `sal` uses of SGLang's frontend beside its public `function` and `gen`.

`states` forks, cuts and writes states; `backend` makes an SGLang backend of a policy; `light`
imports the frontend without the server half. tests/test_sglang_contract.py names what each of
them relies on.
"""
