// Heat spreading on a square plate: Jacobi steps until they change little.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { side = 384 };
static double plates[2][side][side];

int main(int count, char **arguments) {
    int steps = count > 1 ? atoi(arguments[1]) : 30;
    double change = 1;
    for (int x = 0; x < side; x++) plates[0][0][x] = plates[1][0][x] = 100;
    int step = 0;
    for (; step < steps && change > 1e-6; step++) {
        double(*from)[side] = plates[step & 1], (*to)[side] = plates[~step & 1];
        change = 0;
#pragma omp parallel for reduction(max : change)
        for (int y = 1; y < side - 1; y++)
            for (int x = 1; x < side - 1; x++) {
                to[y][x] = (from[y - 1][x] + from[y + 1][x] + from[y][x - 1] + from[y][x + 1]) / 4;
                change = fmax(change, fabs(to[y][x] - from[y][x]));
            }
    }
    printf("%d steps, the last changed %g\n", step, change);
}
