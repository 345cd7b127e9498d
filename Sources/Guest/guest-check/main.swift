import GuestChecks
import Glibc

exit(GuestCheckCommand.run(Array(CommandLine.arguments.dropFirst())))
