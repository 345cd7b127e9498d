#pragma once

/// libFuzzer's main loop over LLVMFuzzerTestOneInput, for the entry points that the package manager names.
int fuzz_main(int count, char **arguments);
