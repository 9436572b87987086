"""SGLang processes and the wire: plan, launch, the pooled backend, usage."""
