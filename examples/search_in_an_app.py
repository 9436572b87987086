"""A search as one turn of an app's own SGLang program: a quick draft, then a search that mends it.

    python examples/search_in_an_app.py POLICY_URL PRM_URL

What the app has in its state (the question and its draft) is read once; every fork of the search
shares it. The chosen solution is appended to the state, and the app goes on from there.
"""

import sys

import sglang as sgl

from sal import DvtsParams, Engine, PooledBackend, SearchResult, dvts, load_verifier

QUESTION = "Let p=10, q=2-p+3, r=q-p. Find r."


@sgl.function
def tutor(s, question, verifier):
    s += question + "\n\n"
    s += sgl.gen("draft", max_tokens=256, temperature=0.0)
    s += "\n\n"
    result: SearchResult = dvts(
        s, question, params=DvtsParams(budget=16, width=4), verifier=verifier
    )
    s += "\n\nIn other words: " + (result.best.key if result.best else "no answer")


def main(policy_url: str, prm_url: str) -> SearchResult:
    """The result of the search, which is printed with what its forks shared."""
    with Engine(policy_url) as policy, Engine(prm_url) as prm:
        state = tutor.run(QUESTION, load_verifier(prm), backend=PooledBackend(policy))
    print(state.text())
    result: SearchResult = state["result"]
    used = result.trace.policy
    print(f"{used.requests} requests: {used.cached_tokens} of {used.prompt_tokens} tokens cached")
    return result


if __name__ == "__main__":
    main(*sys.argv[1:])
