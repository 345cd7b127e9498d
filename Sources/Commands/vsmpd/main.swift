import Glibc
import NodeCommands
import Platform

// Whoever hangs up at a socket or a pipe of this node ends nothing but his own answer.
_ = signal(SIGPIPE, SIG_IGN)
ProgramStart.prepare()
// A node holds its cluster key and its guest's memory.
Confinement.keepOutOfDumps()
exit(NodeProgram.main(CommandLine.arguments))
