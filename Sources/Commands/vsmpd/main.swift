import Glibc
import NodeCommands
import Platform

ProgramStart.prepare()
// A node holds its cluster key and its guest's memory.
Confinement.keepOutOfDumps()
exit(NodeProgram.main(CommandLine.arguments))
