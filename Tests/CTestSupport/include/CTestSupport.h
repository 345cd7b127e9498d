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

enum confined_deed {
    CONFINED_OPENS_SECRET, CONFINED_WRITES_ITS_FOLDER, CONFINED_NAMES_HOST, CONFINED_OPENS_PACKET_SOCKET, CONFINED_RAISES_LIMIT,
    CONFINED_EXECUTES, CONFINED_TRACES, CONFINED_FORKS, CONFINED_MAPS_CODE,
};
/// A process of its own gives up capabilities, files but those in `folder`, and system calls, and then does the deed. Its exit status (75: this kernel has
/// no landlock), and in `said` its standard error with the errno that the deed had: "errno 1\n".
int confined(enum confined_deed deed, const char *folder, const char *secret, char *said, unsigned long room);
