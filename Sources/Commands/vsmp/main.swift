import CommandParsing
import OEMCommands
import Platform

ProgramStart.prepare()
RootCommand.runChecked()
