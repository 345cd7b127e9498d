#pragma once

/// The calling thread goes over to the network namespace behind `path` (setns(2), which Swift does not import): what sockets it opens from now on
/// are there. 0, or errno.
int enter_network_namespace(const char *path);
