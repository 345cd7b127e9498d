import CoherenceCommands
import CommandParsing
import Platform

ProgramStart.prepare()
CoherenceRootCommand.runChecked()
