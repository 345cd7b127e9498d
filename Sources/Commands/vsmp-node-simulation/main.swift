import CommandParsing
import NodeSimulation
import Platform

ProgramStart.prepare()
NodeSimulationCommand.runChecked()
