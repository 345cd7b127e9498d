import Glibc
import NodeCommands

exit(NodeProgram.main(CommandLine.arguments))
