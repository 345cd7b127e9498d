import Glibc
import NodeCommands
import Platform

ProgramStart.prepare()
exit(NodeProgram.main(CommandLine.arguments))
