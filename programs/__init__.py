"""One file per search algorithm, each an SGLang program; import `dvts` from `sal.programs.dvts`."""
