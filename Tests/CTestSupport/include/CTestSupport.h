#pragma once

/// The calling thread goes over to the network namespace behind `path` (setns(2), which Swift does not import): what sockets it opens from now on
/// are there. 0, or errno.
int enter_network_namespace(const char *path);

/// Writes what the compiler's index store says of the sources below `prefix` to the file `output`, one tab-separated line each:
///     U file seconds                                        a compiled source that exists, and when; its lines follow
///     D usr name kind line parent                           a definition that is written in the source
///     W usr base                                            a witness of a requirement, or an override
///     R usr container base                                  a use: by whom, and which type inherits or conforms by it
/// `library` is the toolchain's libIndexStore.so (llvm-project, indexstore/indexstore.h). 0, or -1 when library, store or output cannot be opened.
int write_index(const char *library, const char *store, const char *prefix, const char *output);
