"""Models that SGLang serves for `bench.gpu`: its SGLANG_EXTERNAL_MODEL_PACKAGE."""
